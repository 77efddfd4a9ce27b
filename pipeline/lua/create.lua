-- Adds to a counter and gives it a time to live if it is new.
-- KEYS: 1 the counter (string)
-- ARGV: 1 the delta, 2 the time to live in milliseconds
-- Returns the new value, as a string.
local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if new then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
