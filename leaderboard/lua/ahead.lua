-- Counts, on one shard, the rows that are ahead of rows of other shards.
-- KEYS: by the constant S.
-- ARGV: 1 '1' if the last row is wanted; then score, stored name for each.
-- Returns {rows of the shard, last row's name or '', its score or '', count for each}. What counts as ahead follows the
--       Ranking: places, strictly better scores, or scores that are no worse.
local reply = {call('ZCARD', S), '', ''}
if ARGV[1] == '1' and reply[1] > 0 then
  local last = call(RANGE, S, -1, -1, 'WITHSCORES')
  reply[2], reply[3] = last[1], last[2]
end
for i = 2, #ARGV, 2 do
  local ahead
  if RANKING == 'ordinal' then
    ahead = place(ARGV[i], ARGV[i + 1])
  elseif RANKING == 'competition' then
    ahead = better(S, ARGV[i])
  else
    ahead = orEqual(S, ARGV[i])
  end
  reply[#reply + 1] = ahead
end
return reply
