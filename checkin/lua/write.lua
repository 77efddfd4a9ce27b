-- Sets or clears one day, and returns all retained years.
--
-- KEYS[1]   string: the year of the day
-- KEYS[2..] strings: the other retained years
-- ARGV[1]   the bit of the day, from 0
-- ARGV[2]   1 to set it, 0 to clear it
-- ARGV[3]   when the year expires, in milliseconds since 1970; empty: never
-- ARGV[4]   1 if that is so near that the server's clock may be beyond it
--
-- Returns the years in the order of KEYS, nil for those that are not there, or the
-- first alone if there is no other, and behind them what the bit was, 0 or 1. The
-- bit itself is in the first year as it was, or as it is now. Errors: WRONGTYPE if
-- any key is no string (nothing is written), EXPIRED if the year is over by the
-- server's clock.
local call, key, n = redis.call, KEYS[1], #KEYS
local others = 0
if n > 1 then
  others = call('EXISTS', unpack(KEYS, 2))
end
-- Most users have but one year. Bringing strings into Lua is what costs most here.
local years
if others > 0 then
  years = call('MGET', unpack(KEYS))
  for i = 2, n do
    if years[i] then
      others = others - 1
    end
  end
  if others > 0 then -- MGET has nothing to say about another type
    return redis.error_reply('WRONGTYPE a year of check-ins is not a string')
  end
end
-- If the day's own year is of another type, the next command ends the script.
local was
if ARGV[2] == '1' then
  was = call('SETBIT', key, ARGV[1], 1)
  if was == 0 then -- or else the expiry was set with it
    if ARGV[3] == '' then
      call('PERSIST', key)
    else
      call('PEXPIREAT', key, ARGV[3])
      if ARGV[4] == '1' and call('EXISTS', key) == 0 then
        return redis.error_reply('EXPIRED the year is over by the clock of the server')
      end
    end
  end
else
  was = call('GETBIT', key, ARGV[1])
  if was == 1 then
    call('SETBIT', key, ARGV[1], 0)
    if call('BITCOUNT', key) == 0 then
      call('DEL', key)
    end
  end
end
if not years then
  return {call('GET', key), was}
end
years[n + 1] = was
return years
