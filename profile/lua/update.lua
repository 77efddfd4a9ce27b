-- Changes fields of an object that is cached, and destroys a lease. What is left of an object that expired, or that was
-- written by another schema, is removed, as it is older than the change.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  now, in ms, or '' where the key's expiry alone decides
-- ARGV[2]  schema version
-- ARGV[3]  the version that must be there; '' for any
-- ARGV[4]  the new version
-- ARGV[5]  time to live of a hash that has none, in ms
-- ARGV[6]  n, the number of fields that become nil
-- ARGV[7]  their names, then the first field that is set, its text, and so on
-- Returns 'done', 'none' if the object is not cached, 'absent' if its absence is, or 'changed' if another version is there.
local key = KEYS[1]
local text = redis.call('HGET', key, '@meta')
if not text then
  redis.call('HDEL', key, '@lease')
  return 'none'
end
local kind, schema, version, written, expiry, cost, nils =
  string.match(text, '^1 (%a) (%S+) (%S+) (%d+) (%d+) (%d+) ?(.*)$')
if not kind or schema ~= ARGV[2] or (ARGV[1] ~= '' and tonumber(expiry) <= tonumber(ARGV[1])) then
  redis.call('DEL', key)
  return 'none'
end
if kind == 'a' then
  redis.call('HDEL', key, '@lease')
  return 'absent'
end
if ARGV[3] ~= '' and ARGV[3] ~= version then
  return 'changed'
end

local isnil, order = {}, {}
for name in string.gmatch(nils, '[^,]+') do
  isnil[name] = true
  order[#order + 1] = name
end
local n = tonumber(ARGV[6])
for i = 7, 6 + n do
  if isnil[ARGV[i]] == nil then
    order[#order + 1] = ARGV[i]
  end
  isnil[ARGV[i]] = true
  redis.call('HDEL', key, ARGV[i])
end
for i = 7 + n, #ARGV, 2 do
  isnil[ARGV[i]] = false
end
local left = {}
for _, name in ipairs(order) do
  if isnil[name] then
    left[#left + 1] = name
  end
end
local meta = '1 v ' .. schema .. ' ' .. ARGV[4] .. ' ' .. written .. ' ' .. expiry .. ' ' .. cost
if #left > 0 then
  meta = meta .. ' ' .. table.concat(left, ',')
end

redis.call('HSET', key, '@meta', meta)
for i = 7 + n, #ARGV, 1000 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('HDEL', key, '@lease')
if redis.call('PTTL', key) < 0 then
  redis.call('PEXPIRE', key, ARGV[5])
end
return 'done'
