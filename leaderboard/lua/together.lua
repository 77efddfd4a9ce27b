-- Counts what is ahead of a member, or of rows, in all shards of a board at once, where one server has all of them.
-- KEYS: the scores of all shards; then the time prefixes of the member's own shard, with T.
-- ARGV: 1 how many shards; 2 which one is the member's own, from 1; 3 the member, whose own shard then counts too, or '';
--       then score, stored name of each row, which is counted in the other shards.
-- Returns 'apart' where not all shards are here (or some are empty, which looks the same); {score or '', rows ahead} of
--       the member; or the rows ahead of each row.
local shards, own = tonumber(ARGV[1]), tonumber(ARGV[2])
if call('EXISTS', unpack(KEYS, 1, shards)) < shards then
  return 'apart'
end

local function ahead(score, stored)
  if RANKING == 'ordinal' then
    return place(score, stored)
  elseif RANKING == 'competition' then
    return better(S, score)
  end
  return orEqual(S, score)
end

local function others(score, stored)
  local n = 0
  for i = 1, shards do
    if i ~= own then
      S = KEYS[i]
      n = n + ahead(score, stored)
    end
  end
  return n
end

if ARGV[3] ~= '' then
  S, T = KEYS[own], KEYS[shards + 1]
  local stored, score = find(ARGV[3])
  if not stored then
    return {'', 0}
  end
  local n = RANKING == 'ordinal' and call(RANK, S, stored) or ahead(score, stored)
  return {score, n + others(score, stored)}
end
local reply = {}
for i = 4, #ARGV, 2 do
  reply[#reply + 1] = others(ARGV[i], ARGV[i + 1])
end
return reply
