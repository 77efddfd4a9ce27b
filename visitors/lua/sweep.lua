-- One step of looking for all keys of a page on the node that serves its slot. Writes nothing.
-- KEYS[1]: any key of the page, for the way to its node
-- ARGV[1]: the cursor, '0' to begin with
-- ARGV[2]: the pattern of the keys
-- ARGV[3]: how many keys of the database to look at
-- returns: the next cursor, then the keys found
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local found = {page[1]}
for _, key in ipairs(page[2]) do
  found[#found + 1] = key
end
return found
