-- Returns years of check-ins, of one moment.
--
-- KEYS   strings: the years
--
-- Returns the years in the order of KEYS, nil for those that are not there.
-- Errors: WRONGTYPE if any key is no string.
local years = redis.call('MGET', unpack(KEYS))
local absent = {}
for i = 1, #KEYS do
  if not years[i] then
    absent[#absent + 1] = KEYS[i]
  end
end
if #absent > 0 and redis.call('EXISTS', unpack(absent)) > 0 then
  return redis.error_reply('WRONGTYPE a year of check-ins is not a string')
end
return years
