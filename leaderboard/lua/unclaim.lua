-- Removes the record of the layout of a board of several shards.
-- KEYS: the record.
-- ARGV: the layout of the board.
-- Returns 1, or {layout} where the record tells of another one, which stays.
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then
  return {found}
end
redis.call('UNLINK', KEYS[1])
return 1
