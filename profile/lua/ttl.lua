-- Reads what is known of an object's life.
--
-- KEYS[1]  the hash of the object
-- Returns {the meta field or nil as '', PTTL as text}.
local meta = redis.call('HGET', KEYS[1], '@meta')
return {meta or '', tostring(redis.call('PTTL', KEYS[1]))}
