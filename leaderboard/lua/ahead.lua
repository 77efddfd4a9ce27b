-- Counts, on one shard, the rows that are ahead of rows of other shards.
-- KEYS: by the constant S.
-- ARGV: 1 '1' if the last row is wanted; then score, stored name for each.
-- Returns {rows of the shard, last row's name or '', its score or '' (0 and '' if it is not wanted), count for each}.
--       What counts as ahead follows the Ranking: places, strictly better scores, or scores that are no worse.
local reply = {0, '', ''}
if ARGV[1] == '1' then
  reply[1] = call('ZCARD', S)
  if reply[1] > 0 then
    local last = call(RANGE, S, -1, -1, 'WITHSCORES')
    reply[2], reply[3] = last[1], last[2]
  end
end
local open = RANKING == 'modified' and '' or '('
for i = 2, #ARGV, 2 do
  local score = ARGV[i]
  local ahead
  if HIGHEST then
    ahead = call('ZCOUNT', S, open .. score, '+inf')
  else
    ahead = call('ZCOUNT', S, '-inf', open .. score)
  end
  if RANKING == 'ordinal' then
    ahead = between(S, ahead, ahead + call('ZCOUNT', S, score, score), ARGV[i + 1])
  end
  reply[#reply + 1] = ahead
end
return reply
