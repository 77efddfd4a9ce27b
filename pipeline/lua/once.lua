-- Adds to all counters or to none, once for each token.
-- KEYS: 1 the token (string); 2... the counters (strings)
-- ARGV: 1 the time to live of a new counter in milliseconds, 0 for none;
--       2 that of the token; 3 what the token stands for;
--       4... the deltas, and behind them the deltas with the other sign
-- Returns {'ok', value...} with the values of the first run as strings,
-- {'error', position of the counter (0 for the token), text of the error}, or
-- {'other'} if the token stands for something else.
local seen = redis.pcall('GET', KEYS[1])
if type(seen) == 'table' and seen.err then return {'error', '0', seen.err} end
if seen then
  local what, rest = string.match(seen, '^([^,]*)(.*)$')
  if what ~= ARGV[3] then return {'other'} end
  local values = {'ok'}
  for value in string.gmatch(rest, '[^,]+') do values[#values + 1] = value end
  return values
end
local n = #KEYS - 1
local new = {}
for i = 1, n do new[i] = redis.call('EXISTS', KEYS[1 + i]) == 0 end
for i = 1, n do
  local reply = redis.pcall('INCRBY', KEYS[1 + i], ARGV[3 + i])
  if type(reply) == 'table' and reply.err then
    for j = i - 1, 1, -1 do
      if new[j] then
        redis.call('DEL', KEYS[1 + j])
      else
        redis.call('INCRBY', KEYS[1 + j], ARGV[3 + n + j])
      end
    end
    return {'error', tostring(i), reply.err}
  end
end
local values = {'ok'}
for i = 1, n do
  if new[i] and ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1 + i], ARGV[1]) end
  values[1 + i] = redis.call('GET', KEYS[1 + i])
end
redis.call('SET', KEYS[1], ARGV[3] .. ',' .. table.concat(values, ',', 2), 'PX', ARGV[2])
return values
