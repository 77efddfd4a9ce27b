-- Replaces the whole object, and destroys a lease.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  Unix time in ms at which the hash expires
-- ARGV[2]  the meta field
-- ARGV[3]  the first field, then its text, and so on
-- Returns 1.
local key = KEYS[1]
redis.call('HLEN', key) -- WRONGTYPE comes before anything is written
redis.call('DEL', key)
redis.call('HSET', key, '@meta', ARGV[2])
for i = 3, #ARGV, 1000 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
local reply = redis.pcall('PEXPIREAT', key, ARGV[1])
if type(reply) == 'table' and reply.err then -- not allowed: nothing stays for ever
  redis.call('DEL', key)
  return redis.error_reply(reply.err)
end
return 1
