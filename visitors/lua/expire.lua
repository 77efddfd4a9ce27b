-- Sets the expiry of a sketch, and leaves anything else alone. It follows a PFADD in a transaction.
-- KEYS[1]: the bucket
-- ARGV[1]: when it expires, in milliseconds
-- returns: 1 if it was set, or the error of what is there
if redis.call('GETRANGE', KEYS[1], 0, 3) == 'HYLL' then
  redis.call('PFADD', KEYS[1]) -- adds nothing, and refuses what only begins like a sketch
  return redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return 0
