-- Adds to a field of an object that is cached, and destroys a lease. What is left of an object that expired, or that was
-- written by another schema, is removed, as it is older than the change.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  now, in ms, or '' where the key's expiry alone decides
-- ARGV[2]  schema version
-- ARGV[3]  the new version
-- ARGV[4]  time to live of a hash that has none, in ms
-- ARGV[5]  the field
-- ARGV[6]  what is added
-- ARGV[7]  the least that the field holds, ARGV[8] the most; '' where they are those of an int64
-- Returns {'done', value as text}, or {'none'}, {'absent'}, {'overflow'}, {'corrupt'} with nothing changed but the lease.
local key, field = KEYS[1], ARGV[5]
local text = redis.call('HGET', key, '@meta')
if not text then
  redis.call('HDEL', key, '@lease')
  return {'none'}
end
local kind, schema, version, written, expiry, cost, nils =
  string.match(text, '^1 (%a) (%S+) (%S+) (%d+) (%d+) (%d+) ?(.*)$')
if not kind or schema ~= ARGV[2] or (ARGV[1] ~= '' and tonumber(expiry) <= tonumber(ARGV[1])) then
  redis.call('DEL', key)
  return {'none'}
end
redis.call('HDEL', key, '@lease')
if kind == 'a' then
  return {'absent'}
end

local left, wasnil = {}, false
for name in string.gmatch(nils, '[^,]+') do
  if name == field then
    wasnil = true
  else
    left[#left + 1] = name
  end
end
local old = redis.call('HGET', key, field)
if not old and not wasnil then
  return {'none'} -- the next read loads it anew
end

local reply = redis.pcall('HINCRBY', key, field, ARGV[6])
if type(reply) == 'table' and reply.err then
  if string.find(reply.err, 'overflow', 1, true) then
    return {'overflow'}
  end
  if string.find(reply.err, 'not an integer', 1, true) then
    if old and string.match(old, '^%d+$') then
      return {'overflow'} -- an unsigned number beyond an int64
    end
    return {'corrupt'}
  end
  return redis.error_reply(reply.err)
end
-- As text: a number of Lua is exact up to 2^53 only.
local value = redis.call('HGET', key, field)
local wasminus, minus, down = string.sub(old or '0', 1, 1) == '-', string.sub(value, 1, 1) == '-', string.sub(ARGV[6], 1, 1) == '-'
local out = wasminus == down and minus ~= wasminus and value ~= '0' -- wrapped round, where a server lets it
if ARGV[7] ~= '' and tonumber(value) < tonumber(ARGV[7]) or ARGV[8] ~= '' and tonumber(value) > tonumber(ARGV[8]) then
  out = true
end
if out then
  if old then
    redis.call('HSET', key, field, old)
  else
    redis.call('HDEL', key, field)
  end
  return {'overflow'}
end

local meta = '1 v ' .. schema .. ' ' .. ARGV[3] .. ' ' .. written .. ' ' .. expiry .. ' ' .. cost
if #left > 0 then
  meta = meta .. ' ' .. table.concat(left, ',')
end
redis.call('HSET', key, '@meta', meta)
if redis.call('PTTL', key) < 0 then
  redis.call('PEXPIRE', key, ARGV[4])
end
return {'done', value}
