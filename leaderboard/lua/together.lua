-- Counts what is ahead of a member, or of rows, in all shards of a board at once, where one server has all of them.
-- KEYS: the scores of all shards; then the time prefixes of the member's own shard, with T.
-- ARGV: 1 how many shards; 2 which one is the member's own, from 1; 3 the member, whose own shard then counts too, or '';
--       then score, stored name of each row, which is counted in the other shards.
-- Returns 'apart' where not all shards are here (or some are empty, which looks the same); rows ahead and score of the
--       member in one text, or 0 for an absent one; or the list of the rows ahead of each row.
local shards, own = tonumber(ARGV[1]), tonumber(ARGV[2])
local open = RANKING == 'modified' and '' or '('

-- others counts in all shards but the own one. It returns false where not all are here.
local function others(score, stored)
  local n = 0
  local lowest, highest = '-inf', '+inf'
  if HIGHEST then
    lowest = open .. score
  else
    highest = open .. score
  end
  for i = 1, shards do
    if i ~= own then
      local key = KEYS[i]
      local ahead = call('ZCOUNT', key, lowest, highest)
      if RANKING == 'ordinal' then
        local ties = call('ZCOUNT', key, score, score)
        if ties > 0 then
          ahead = between(key, ahead, ahead + ties, stored)
        end
      end
      if ahead == 0 and call('EXISTS', key) == 0 then
        return false
      end
      n = n + ahead
    end
  end
  return n
end

if ARGV[3] ~= '' then
  S, T = KEYS[own], KEYS[shards + 1]
  local stored, prefix, score = ARGV[3], '', false
  if T then
    prefix = call('HGET', T, stored)
    stored = (prefix or '') .. stored
  end
  if prefix then
    score = call('ZSCORE', S, stored)
  end
  if not score then
    return call('EXISTS', unpack(KEYS, 1, shards)) < shards and 'apart' or 0
  end
  local ahead = others(score, stored)
  if not ahead then
    return 'apart'
  elseif RANKING == 'ordinal' then
    ahead = ahead + call(RANK, S, stored)
  elseif HIGHEST then
    ahead = ahead + call('ZCOUNT', S, open .. score, '+inf')
  else
    ahead = ahead + call('ZCOUNT', S, '-inf', open .. score)
  end
  return ahead .. ' ' .. score
end
local reply = {}
for i = 4, #ARGV, 2 do
  local ahead = others(ARGV[i], ARGV[i + 1])
  if not ahead then
    return 'apart'
  end
  reply[#reply + 1] = ahead
end
return reply
