-- Counts what is strictly worse than a member, or than a score.
-- KEYS: by the constants S, T.
-- ARGV: 'member', name | 'score', score.
-- Returns {rows of the board, how many are worse, score or '' for an absent member}.
local n, score = call('ZCARD', S), ARGV[2]
if n == 0 then
  return {0, 0, ''}
end
if ARGV[1] == 'member' then
  local _, found = find(ARGV[2])
  if not found then
    return {n, 0, ''}
  end
  score = found
end
return {n, n - orEqual(S, score), score}
