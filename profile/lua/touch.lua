-- Lets an object that is cached live from now on.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  now, in ms, or '' where the key's expiry alone decides
-- ARGV[2]  schema version
-- ARGV[3]  the new expiry, Unix time in ms
-- ARGV[4]  Unix time in ms at which the hash expires
-- Returns 1, or 0 if the object is not cached.
local key = KEYS[1]
local text = redis.call('HGET', key, '@meta')
if not text then
  return 0
end
local head, schema, version, written, expiry, rest = string.match(text, '^(1 v) (%S+) (%S+) (%d+) (%d+) (.*)$')
if not head or schema ~= ARGV[2] or (ARGV[1] ~= '' and tonumber(expiry) <= tonumber(ARGV[1])) then
  return 0
end
redis.call('HSET', key, '@meta', '1 v ' .. schema .. ' ' .. version .. ' ' .. written .. ' ' .. ARGV[3] .. ' ' .. rest)
redis.call('PEXPIREAT', key, ARGV[4])
return 1
