-- Sets one bit of a bitmap that expires as a whole.
--
-- KEYS[1]   string: a segment of a day, or the index of a day
-- ARGV[1]   the bit
-- ARGV[2]   when the key expires, in milliseconds since 1970; empty: never
--
-- Returns what the bit was. Errors: WRONGTYPE (of SETBIT, before it writes),
-- EXPIRED if the day is over by the server's clock.
local was = redis.call('SETBIT', KEYS[1], ARGV[1], 1)
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return redis.error_reply('EXPIRED the day is no longer kept by the clock of the server')
  end
end
return was
