-- Counts, on one shard, the rows that are ahead of rows of other shards.
-- KEYS: by the constant S.
-- ARGV: 1 '1' if the last row is wanted; then score, stored name for each.
-- Returns the count for each. If the last row is wanted, three come before them: rows of the shard, the last row's name or
--       '', its score or ''. What counts as ahead follows the Ranking: places, strictly better scores, or scores that
--       are no worse.
local reply = {}
if ARGV[1] == '1' then
  reply = {call('ZCARD', S), '', ''}
  if reply[1] > 0 then
    local last = call(RANGE, S, -1, -1, 'WITHSCORES')
    reply[2], reply[3] = last[1], last[2]
  end
end
local open = RANKING == 'modified' and '' or '('
for i = 2, #ARGV, 2 do
  local score, ahead = ARGV[i], 0
  if HIGHEST then
    ahead = call('ZCOUNT', S, open .. score, '+inf')
  else
    ahead = call('ZCOUNT', S, '-inf', open .. score)
  end
  if RANKING == 'ordinal' then
    local ties = call('ZCOUNT', S, score, score)
    if ties > 0 then
      ahead = between(S, ahead, ahead + ties, ARGV[i + 1])
    end
  end
  reply[#reply + 1] = ahead
end
return reply
