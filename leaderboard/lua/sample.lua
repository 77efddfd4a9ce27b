-- Reads rows at even distances, to find a position among several shards.
-- KEYS: by the constant S.
-- ARGV: first position, 0-based; position behind the last, -1 = all; how many rows at most.
-- Returns {rows of the shard, then position, name, score for each}.
local n = call('ZCARD', S)
local low, high, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if high < 0 or high > n then
  high = n
end
local reply = {n}
local width = high - low
local count = math.min(width, most)
for i = 0, count - 1 do
  local at = low + math.floor(i * width / count)
  local row = call(RANGE, S, at, at, 'WITHSCORES')
  reply[#reply + 1] = at
  reply[#reply + 1] = row[1]
  reply[#reply + 1] = row[2]
end
return reply
