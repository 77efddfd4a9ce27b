-- Stores what was loaded, if the lease is still there: whatever changed the object in between has destroyed it.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  token of the lease
-- ARGV[2]  now, in ms
-- ARGV[3]  Unix time in ms at which the hash expires
-- ARGV[4]  the meta field; '' to leave nothing there
-- ARGV[5]  the first field, then its text, and so on
-- Returns 1, or 0 if the lease is lost and nothing was stored.
local key = KEYS[1]
local lease = redis.call('HGET', key, '@lease')
if not lease then
  return 0
end
local token, deadline = string.match(lease, '^(%S+) (%d+)$')
if token ~= ARGV[1] then
  return 0
end
if tonumber(deadline) <= tonumber(ARGV[2]) then
  redis.call('HDEL', key, '@lease')
  return 0
end

redis.call('DEL', key)
if ARGV[4] == '' then
  return 1
end
redis.call('HSET', key, '@meta', ARGV[4])
for i = 5, #ARGV, 1000 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
local reply = redis.pcall('PEXPIREAT', key, ARGV[3])
if type(reply) == 'table' and reply.err then -- not allowed: nothing stays for ever
  redis.call('DEL', key)
  return redis.error_reply(reply.err)
end
return 1
