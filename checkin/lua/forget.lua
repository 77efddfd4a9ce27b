-- Deletes all years of a user.
--
-- KEYS   strings: every year that there can be
--
-- Returns how many there were. Errors: WRONGTYPE if any key is no string (nothing
-- is deleted).
local years = redis.call('MGET', unpack(KEYS))
local absent, present = {}, {}
for i = 1, #KEYS do
  local t = years[i] and present or absent
  t[#t + 1] = KEYS[i]
end
if #absent > 0 and redis.call('EXISTS', unpack(absent)) > 0 then
  return redis.error_reply('WRONGTYPE a year of check-ins is not a string')
end
if #present > 0 then
  redis.call('DEL', unpack(present))
end
return #present
