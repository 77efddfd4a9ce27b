-- Reads the row of one member: get.lua for what is asked most.
-- KEYS: by the constants S, T, D.
-- ARGV: 1 member.
-- Returns rows ahead and score in one text, which costs less than a list; of an absent member the rows of the board, as
--       a number.
local stored = ARGV[1]
if T then
  local prefix = call('HGET', T, stored)
  if not prefix then
    return call('ZCARD', S)
  end
  stored = prefix .. stored
end
local score = call('ZSCORE', S, stored)
if not score then
  return call('ZCARD', S)
end
if RANKING == 'ordinal' then
  return call(RANK, S, stored) .. ' ' .. score
end
local key = RANKING == 'dense' and D or S
local open = RANKING == 'modified' and '' or '('
if HIGHEST then
  return call('ZCOUNT', key, open .. score, '+inf') .. ' ' .. score
end
return call('ZCOUNT', key, '-inf', open .. score) .. ' ' .. score
