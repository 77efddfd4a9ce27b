-- Clears one bit of a bitmap, if there is a bitmap.
--
-- KEYS[1]   string: a segment of a day
-- ARGV[1]   the bit
--
-- Returns what the bit was. Errors: WRONGTYPE (of GETBIT).
if redis.call('GETBIT', KEYS[1], ARGV[1]) == 0 then
  return 0 -- and no key is created
end
return redis.call('SETBIT', KEYS[1], ARGV[1], 0)
