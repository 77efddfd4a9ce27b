-- Forgets an object, and destroys a lease. Running it twice is once.
--
-- KEYS[1]  the hash of the object
-- Returns 1 if anything was there.
redis.call('HLEN', KEYS[1]) -- WRONGTYPE: what is not ours stays
return redis.call('DEL', KEYS[1])
