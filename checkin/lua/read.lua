-- Returns years of check-ins, of one moment.
--
-- KEYS      strings: the years
-- ARGV[1]   a guess: 1 if there are others than the first, 0 if there are none. It
--           only costs some time to be wrong
--
-- Returns the years in the order of KEYS, nil for those that are not there, or the
-- first alone if there is no other. Errors: WRONGTYPE if any key is no string.
local call, n = redis.call, #KEYS
if n > 1 and (ARGV[1] == '1' or call('EXISTS', unpack(KEYS, 2)) > 0) then
  local years = call('MGET', unpack(KEYS))
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
  return years
end
return {call('GET', KEYS[1])}
