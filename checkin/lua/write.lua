-- Sets or clears one day, and returns all retained years.
--
-- KEYS[1]   string: the year of the day
-- KEYS[2..] strings: the other retained years
-- ARGV[1]   the bit of the day, from 0
-- ARGV[2]   1 to set it, 0 to clear it
-- ARGV[3]   when the year expires, in milliseconds since 1970; empty: never
-- ARGV[4]   1 if that is so near that the server's clock may be beyond it
-- ARGV[5]   a guess: 1 if there are other years, 0 if there are none. It costs some
--           time to be wrong: bringing strings into Lua is what takes longest here
--
-- Returns the years in the order of KEYS, nil for those that are not there, or the
-- first alone if there is no other, and behind them what the bit was, 0 or 1. The
-- bit itself is in the first year as it was, or as it is now. Errors: WRONGTYPE if
-- any key is no string (nothing is written), EXPIRED if the year is over by the
-- server's clock.
local call, key, n = redis.call, KEYS[1], #KEYS
local years
if n > 1 and (ARGV[5] == '1' or call('EXISTS', unpack(KEYS, 2)) > 0) then
  years = call('MGET', unpack(KEYS))
  local there = 0
  for i = 1, n do
    if years[i] then
      there = there + 1
    end
  end
  -- MGET has nothing to say about another type, and EXISTS counts it.
  if there < n and call('EXISTS', unpack(KEYS)) > there then
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
