-- Writes a key, or a piece of one, with its expiry. Run twice, it does nothing more.
-- KEYS[1] the key
-- ARGV[1] 'skip': leave a key alone that is there; 'replace': write over it; 'first', 'append': a piece
-- ARGV[2] type: l list, S set, z sorted set, h hash, H hash whose fields expire, s string, d what DUMP gave
-- ARGV[3] expiry in milliseconds since 1970, 0 for none
-- ARGV[4] now in milliseconds since 1970, for servers that do not tell
-- ARGV[5] of 'append': how many elements, or bytes of a string, the pieces before it wrote
-- ARGV[6...] elements: value | member | member, score | field, value | field, value, expiry
-- Returns 1 for written, 0 for left alone, 2 for an expiry that has come. Errors, with nothing written: NOFIELDEXPIRY,
-- where fields cannot expire; NOPERM; GONE, where the pieces before are not there.
local key, mode, kind, expiry = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local command = ({l = 'RPUSH', S = 'SADD', z = 'ZADD', h = 'HSET', H = 'HSET', s = 'APPEND', d = 'RESTORE'})[kind]
local step = ({l = 1, S = 1, z = 2, h = 2, H = 3, s = 1, d = 1})[kind]
local there = redis.call('EXISTS', key) == 1
if mode == 'skip' and there then
  return 0
end
if mode == 'append' then
  if not there then
    return redis.error_reply('GONE the pieces before are not there any more')
  end
  local length = ({l = 'LLEN', s = 'STRLEN'})[kind]
  if length then
    local has, before = redis.call(length, key), tonumber(ARGV[5])
    local come = #ARGV - 5
    if kind == 's' then
      come = #ARGV[6]
    end
    if has == before + come then
      return 1 -- the same piece again
    elseif has ~= before then
      return redis.error_reply('GONE the pieces before are others')
    end
  end
elseif past(expiry, ARGV[4]) then
  return 2
end
if kind == 'H' then
  -- The hash is not there, or will be replaced: asking is no write.
  local known = redis.pcall('HPTTL', key, 'FIELDS', 1, 'f')
  if type(known) == 'table' and known.err and not string.find(known.err, 'WRONGTYPE', 1, true) then
    return redis.error_reply('NOFIELDEXPIRY ' .. known.err)
  end
end
if there or expiry ~= '0' then
  local refusal = denied({'DEL', key}, {command, key, '1', '1', '1'}, {'PEXPIREAT', key, '1'})
  if refusal then
    return refusal
  end
end
if kind == 'd' then
  redis.call('RESTORE', key, expiry, ARGV[6], 'REPLACE', 'ABSTTL')
  return 1
end
if there and mode ~= 'append' then
  redis.call('DEL', key)
end
local i = 6
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
  redis.call(command, key, unpack(args))
end
if kind == 'H' then
  for j = 6, #ARGV, 3 do
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
return expire(key, expiry) or 1
