-- Writes a stream from its entries.
-- KEYS[1] the key
-- ARGV[1] 'skip': leave a key alone that is there; 'replace'
-- ARGV[2] expiry in milliseconds since 1970, 0 for none
-- ARGV[3] now in milliseconds since 1970, for servers that do not tell
-- ARGV[4] id of the last entry that ever was, '' if not known
-- ARGV[5] how many groups follow: name, last delivered id
-- then entries: id, how many strings follow, field, value, ...
-- Returns 1 for written, 0 for left alone, 2 for an expiry that has come. Error NOPERM, with nothing written.
local key = KEYS[1]
if ARGV[1] == 'skip' and redis.call('EXISTS', key) == 1 then
  return 0
end
if past(ARGV[2], ARGV[3]) then
  return 2
end
local refusal = denied({'DEL', key}, {'XADD', key, '*', 'f', 'v'}, {'XDEL', key, '0-1'}, {'XGROUP', 'CREATE', key, 'g', '0'},
  {'PEXPIREAT', key, '1'})
if refusal then
  return refusal
end
redis.call('DEL', key)
local groups = tonumber(ARGV[5])
local i = 6 + 2 * groups
while i <= #ARGV do
  local n = tonumber(ARGV[i + 1])
  local args = {}
  for j = 1, n do
    args[j] = ARGV[i + 1 + j]
  end
  redis.call('XADD', key, ARGV[i], unpack(args))
  i = i + 2 + n
end
if redis.call('EXISTS', key) == 0 then
  -- An empty stream: it exists through an entry that goes at once.
  redis.call('XADD', key, '0-1', 'f', 'v')
  redis.call('XDEL', key, '0-1')
end
if ARGV[4] ~= '' then
  redis.pcall('XSETID', key, ARGV[4])
end
for g = 0, groups - 1 do
  redis.call('XGROUP', 'CREATE', key, ARGV[6 + 2 * g], ARGV[7 + 2 * g])
end
return expire(key, ARGV[2]) or 1
