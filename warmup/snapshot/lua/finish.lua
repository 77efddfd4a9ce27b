-- Puts a key that was restored in pieces in its place.
-- KEYS[1] the temporary key
-- KEYS[2] the key
-- ARGV[1] 'skip': leave a key alone that is there; 'replace'
-- ARGV[2] expiry in milliseconds since 1970, 0 for none
-- Returns 1 for written, 0 for left alone. Error GONE if the temporary key is not there any more.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.error_reply('GONE the temporary key is not there any more')
end
if ARGV[1] == 'skip' and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[1])
  return 0
end
if ARGV[2] == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
