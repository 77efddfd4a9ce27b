-- Reads the scores of members and how many rows are ahead of each.
-- KEYS: by the constants S, T, D.
-- ARGV: members.
-- Returns {rows of the board, or -1 where that was not asked for}, then score, rows ahead (and prefix, with T) of each;
-- an absent member has '', 0 (and '').
local reply, missing = {-1}, false
for _, name in ipairs(ARGV) do
  local stored, score, prefix, ahead = name, false, '', 0
  if T then
    prefix = call('HGET', T, name) or ''
    stored = prefix .. name
  end
  if not T or prefix ~= '' then
    score = call('ZSCORE', S, stored)
  end
  if not score then
    missing = true
  elseif RANKING == 'ordinal' then
    ahead = call(RANK, S, stored)
  else
    local key = RANKING == 'dense' and D or S
    local open = RANKING == 'modified' and '' or '('
    if HIGHEST then
      ahead = call('ZCOUNT', key, open .. score, '+inf')
    else
      ahead = call('ZCOUNT', key, '-inf', open .. score)
    end
  end
  reply[#reply + 1] = score or ''
  reply[#reply + 1] = ahead
  if T then
    reply[#reply + 1] = prefix
  end
end
if missing then
  reply[1] = call('ZCARD', S)
end
return reply
