-- Reads an object, and lets it live from now on, though not for ever.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  now, in ms
-- ARGV[2]  schema version
-- ARGV[3]  time to live, in ms
-- ARGV[4]  the longest life since the object was written, in ms
-- ARGV[5]  for how long it is kept beyond its expiry, in ms; 0 where the key's expiry alone decides
-- ARGV[6]  the first field to read, and so on; none to read all
-- Returns what HGETALL does, or with fields, what HMGET does of @meta, @lease and these.
local key, now = KEYS[1], tonumber(ARGV[1])
local text = redis.call('HGET', key, '@meta')
if text then
  local head, schema, version, written, expiry, rest = string.match(text, '^(1 v) (%S+) (%S+) (%d+) (%d+) (.*)$')
  local kept = tonumber(ARGV[5])
  if head and schema == ARGV[2] and (kept == 0 or tonumber(expiry) > now) then
    local new = math.min(now + tonumber(ARGV[3]), tonumber(written) + tonumber(ARGV[4]))
    if new > tonumber(expiry) then
      redis.call('HSET', key, '@meta',
        '1 v ' .. schema .. ' ' .. version .. ' ' .. written .. ' ' .. string.format('%.0f', new) .. ' ' .. rest)
      redis.call('PEXPIREAT', key, string.format('%.0f', new + kept))
    end
  end
end
if #ARGV > 5 then
  return redis.call('HMGET', key, '@meta', '@lease', unpack(ARGV, 6, #ARGV))
end
return redis.call('HGETALL', key)
