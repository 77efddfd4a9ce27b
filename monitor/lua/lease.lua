-- Takes or prolongs a lease. A second run of it changes nothing.
-- KEYS[1]  the lease, a string: the token of its holder
-- ARGV[1]  token of the caller
-- ARGV[2]  milliseconds
-- returns  1 where the caller holds it now, else 0
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
