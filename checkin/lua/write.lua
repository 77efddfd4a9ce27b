-- Sets or clears one day, and returns all retained years.
--
-- KEYS[1]   string: the year of the day
-- KEYS[2..] strings: the other retained years
-- ARGV[1]   the bit of the day, from 0
-- ARGV[2]   1 to set it, 0 to clear it
-- ARGV[3]   when the year expires, in milliseconds since 1970; empty: never
-- ARGV[4]   1 if that is so near that the server's clock may be beyond it
--
-- Returns the years as they were, in the order of KEYS, nil for those that were
-- not there, and behind them what the bit was, 0 or 1. Errors: WRONGTYPE if any
-- key is no string (nothing is written), EXPIRED if the year is over by the
-- server's clock.
local call = redis.call
local years = call('MGET', unpack(KEYS))
local absent = {}
for i = 1, #KEYS do
  if not years[i] then
    absent[#absent + 1] = KEYS[i]
  end
end
-- MGET has nothing to say about another type, and EXISTS finds it.
if #absent > 0 and call('EXISTS', unpack(absent)) > 0 then
  return redis.error_reply('WRONGTYPE a year of check-ins is not a string')
end
local was = 0
if ARGV[2] == '1' then
  was = call('SETBIT', KEYS[1], ARGV[1], 1)
  if ARGV[3] == '' then
    call('PERSIST', KEYS[1])
  else
    call('PEXPIREAT', KEYS[1], ARGV[3])
    if ARGV[4] == '1' and call('EXISTS', KEYS[1]) == 0 then
      return redis.error_reply('EXPIRED the year is over by the clock of the server')
    end
  end
elseif years[1] then
  was = call('SETBIT', KEYS[1], ARGV[1], 0)
  if was == 1 and call('BITCOUNT', KEYS[1]) == 0 then
    call('DEL', KEYS[1])
  end
end
years[#KEYS + 1] = was
return years
