-- Adds to all counters or to none: what was done before an error is undone.
-- KEYS: the counters (strings)
-- ARGV: 1 the time to live of a new counter in milliseconds, 0 for none;
--       2... their deltas, and behind them the deltas with the other sign
-- Returns {'ok', value...} with the new values as strings, or
-- {'error', position of the counter, text of the error}.
local n = #KEYS
local new = {}
for i = 1, n do new[i] = redis.call('EXISTS', KEYS[i]) == 0 end
for i = 1, n do
  local reply = redis.pcall('INCRBY', KEYS[i], ARGV[1 + i])
  if type(reply) == 'table' and reply.err then
    for j = i - 1, 1, -1 do
      if new[j] then
        redis.call('DEL', KEYS[j])
      else
        redis.call('INCRBY', KEYS[j], ARGV[1 + n + j])
      end
    end
    return {'error', tostring(i), reply.err}
  end
end
local values = {'ok'}
for i = 1, n do
  if new[i] and ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
  values[1 + i] = redis.call('GET', KEYS[i])
end
return values
