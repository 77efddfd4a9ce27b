-- Gives a lease up, if the caller holds it.
-- KEYS[1]  the lease, a string: the token of its holder
-- ARGV[1]  token of the caller
-- returns  1 where the caller held it, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
