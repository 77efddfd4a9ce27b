-- Puts a key that was restored in pieces in its place.
-- KEYS[1] the temporary key
-- KEYS[2] the key
-- ARGV[1] 'skip': leave a key alone that is there; 'replace'
-- ARGV[2] expiry in milliseconds since 1970, 0 for none
-- ARGV[3] now in milliseconds since 1970, for servers that do not tell
-- Returns 1 for written, 0 for left alone, 2 for an expiry that has come. Errors: GONE, if the temporary key is not there
-- any more; NOPERM.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.error_reply('GONE the temporary key is not there any more')
end
if past(ARGV[2], ARGV[3]) then
  redis.call('DEL', KEYS[1])
  return 2
end
if ARGV[1] == 'skip' and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[1])
  return 0
end
local refusal = denied({'RENAME', KEYS[1], KEYS[2]}, {'PERSIST', KEYS[1]}, {'PEXPIREAT', KEYS[1], '1'})
if refusal then
  return refusal
end
if ARGV[2] == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
