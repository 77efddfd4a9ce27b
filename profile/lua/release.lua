-- Gives a lease back.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  token of the lease
-- Returns 1 if it was there.
local lease = redis.call('HGET', KEYS[1], '@lease')
if lease and string.match(lease, '^(%S+) ') == ARGV[1] then
  return redis.call('HDEL', KEYS[1], '@lease')
end
return 0
