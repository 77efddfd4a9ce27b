-- Sets the expiry of a sketch, and leaves anything else alone. It follows a PFADD in a transaction.
-- KEYS[1]: the bucket
-- ARGV[1]: when it expires, in milliseconds
-- returns: 1 if it was set
if redis.call('GETRANGE', KEYS[1], 0, 3) == 'HYLL' then
  return redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return 0
