-- Finds or gives the number of a name.
--
-- KEYS[1]   hash: "=" .. name holds its number, "#" .. number holds its name
-- ARGV[1]   the name
-- ARGV[2]   how many numbers there are
--
-- Returns the number as text. Errors: WRONGTYPE (of HGET), FULL.
local number = redis.call('HGET', KEYS[1], '=' .. ARGV[1])
if number then
  return number
end
-- A number is taken already only where fields were removed or added by hand. The
-- steps grow, so that many such fields do not make the script long.
local next, step = math.floor(redis.call('HLEN', KEYS[1]) / 2), 1
repeat
  if next >= tonumber(ARGV[2]) then
    return redis.error_reply('FULL there are no more numbers')
  end
  number = string.format('%.0f', next)
  next, step = next + step, step * 2
until redis.call('HSETNX', KEYS[1], '#' .. number, ARGV[1]) == 1
redis.call('HSET', KEYS[1], '=' .. ARGV[1], number)
return number
