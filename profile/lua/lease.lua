-- Takes the lease of an object that has to be loaded, or says why not.
--
-- KEYS[1]  the hash of the object
-- ARGV[1]  token of the lease; never sent twice
-- ARGV[2]  now, in ms
-- ARGV[3]  length of a lease, in ms
-- ARGV[4]  now + length of a lease
-- ARGV[5]  the meta field that the caller read and that will not do; '' if there was none
-- ARGV[6]  a token of the caller's whose fate is not known, which gives way; '' if there is none
-- ARGV[7]  time to live of a hash that has none, in ms
-- Returns {'taken'}, or {'held', token of the holder}, or {'changed', field, text, ...} where another meta field is there by
-- now. WRONGTYPE comes before anything is written.
local key, now, length = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local got = redis.call('HMGET', key, '@meta', '@lease')
local meta, lease = got[1], got[2]

if (meta or '') ~= ARGV[5] then
  local all = redis.call('HGETALL', key)
  local reply = {'changed'}
  for i = 1, #all do
    reply[i + 1] = all[i]
  end
  return reply
end

local fields = redis.call('HLEN', key)
local alone = fields == 0 or (fields == 1 and lease)
if lease then
  local token, deadline = string.match(lease, '^(%S+) (%d+)$')
  if token and token ~= ARGV[6] then
    deadline = tonumber(deadline)
    -- Alone, the expiry of the key ends the lease. Beside an old value its deadline does; one that lies further ahead than
    -- a lease is long comes from a clock that is wrong (two seconds are for callers who waited since they read theirs).
    if alone or (deadline > now and deadline <= now + length + 2000) then
      return {'held', token}
    end
  end
end

redis.call('HSET', key, '@lease', ARGV[1] .. ' ' .. ARGV[4])
local reply = 0
if alone then
  reply = redis.pcall('PEXPIRE', key, ARGV[3])
elseif redis.call('PTTL', key) < 0 then
  reply = redis.pcall('PEXPIRE', key, ARGV[7])
end
if type(reply) == 'table' and reply.err then -- not allowed: nothing stays for ever
  redis.call('HDEL', key, '@lease')
  return redis.error_reply(reply.err)
end
return {'taken'}
