-- Claims a board for its layout at the first write.
-- KEYS: 1 the record of the layout; 2 the scores of a board with the default layout.
-- ARGV: 1 the layout; 2 '0', or the moment in milliseconds at which the board expires; 3 milliseconds of a sliding
--       expiry, or '0'.
-- Returns 'ok', the layout that is there ('' = the default one), or 'retention'.
local found = redis.call('GET', KEYS[1])
if found then
  if found == ARGV[1] then
    return 'ok'
  end
  return {found}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {''}
end
if ARGV[3] ~= '0' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
elseif ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[2]) -- does nothing, but fails where it may not be used
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return 'retention'
  end
end
return 'ok'
