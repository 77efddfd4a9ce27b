-- Writes a key, or a piece of one, with its expiry.
-- KEYS[1] the key
-- ARGV[1] 'skip': leave a key alone that is there; 'replace': write over it; 'first', 'append': a piece
-- ARGV[2] type: l list, S set, z sorted set, h hash, H hash whose fields expire, s string
-- ARGV[3] expiry in milliseconds since 1970, 0 for none
-- ARGV[4] now in milliseconds since 1970, for servers whose fields expire in so many seconds only
-- ARGV[5...] elements: value | member | member, score | field, value | field, value, expiry
-- Returns 1 for written, 0 for left alone. Error NOFIELDEXPIRY, with nothing written, where fields cannot expire.
local key, mode, kind, expiry = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if mode == 'skip' and redis.call('EXISTS', key) == 1 then
  return 0
end
if kind == 'H' then
  -- The hash is not there, or will be replaced: asking is no write.
  local known = redis.pcall('HPTTL', key, 'FIELDS', 1, 'f')
  if type(known) == 'table' and known.err and not string.find(known.err, 'WRONGTYPE', 1, true) then
    return redis.error_reply('NOFIELDEXPIRY ' .. known.err)
  end
end
if mode ~= 'append' then
  redis.call('DEL', key)
end
local command = {l = 'RPUSH', S = 'SADD', z = 'ZADD', h = 'HSET', H = 'HSET', s = 'APPEND'}
local width = {l = 1, S = 1, z = 2, h = 2, H = 3, s = 1}
local step = width[kind]
local i = 5
while i <= #ARGV do
  local args = {}
  while i <= #ARGV and #args < 1000 do
    if kind == 'z' then
      args[#args + 1] = ARGV[i + 1]
      args[#args + 1] = ARGV[i]
    else
      args[#args + 1] = ARGV[i]
      if step > 1 then
        args[#args + 1] = ARGV[i + 1]
      end
    end
    i = i + step
  end
  redis.call(command[kind], key, unpack(args))
end
if kind == 'H' then
  for j = 5, #ARGV, 3 do
    if ARGV[j + 2] ~= '0' then
      local done = redis.pcall('HPEXPIREAT', key, ARGV[j + 2], 'FIELDS', 1, ARGV[j])
      if type(done) == 'table' and done.err then
        -- A server that has HEXPIRE alone, such as a fake one: to the second.
        local seconds = math.ceil((tonumber(ARGV[j + 2]) - tonumber(ARGV[4])) / 1000)
        redis.call('HEXPIRE', key, math.max(seconds, 1), 'FIELDS', 1, ARGV[j])
      end
    end
  end
end
if expiry ~= '0' then
  redis.call('PEXPIREAT', key, expiry)
end
return 1
