-- Sets or increments the score of one member of a board that is one sorted set and no more: Ordinal ranks, no Cap, no
-- time prefixes, no expiry that slides. It is submit.lua without what such a board does not need.
-- KEYS: by the constant S.
-- ARGV: 1 to 3 as in submit.lua.
-- Returns, of a new member, the rows ahead as a number; else one text, which costs less than a list: rows ahead before,
--       rows ahead, old score, and after an increment the score. Or 'absent', 'infinite', 'retention'; nothing is stored
--       then.
local member, score = ARGV[2], ARGV[3]
local old = call('ZSCORE', S, member)
if not old then
  local created = call('ZCARD', S) == 0
  if created and ARGV[1] == '' then
    return 'absent'
  end
  local expires = created and ARGV[1] ~= '0'
  if expires then
    call('PEXPIREAT', S, ARGV[1]) -- does nothing, but fails where it may not be used: scripts do not roll back
  end
  call('ZADD', S, score, member)
  if expires then
    call('PEXPIREAT', S, ARGV[1])
    if call('EXISTS', S) == 0 then
      return 'retention'
    end
  end
  return call(RANK, S, member)
end

local before = call(RANK, S, member)
local now, changed, sum = before, 0, ''
if INCREMENT then
  sum = old + score
  if sum - sum ~= 0 then
    return 'infinite'
  end
  sum = string.format('%.17g', sum)
  changed = call('ZADD', S, 'CH', sum, member)
elseif POLICY == 'latest' then
  changed = call('ZADD', S, 'CH', score, member)
else
  changed = call('ZADD', S, (POLICY == 'best') == HIGHEST and 'GT' or 'LT', 'CH', score, member)
end
if changed == 1 then
  now = call(RANK, S, member)
end
if INCREMENT then
  return before .. ' ' .. now .. ' ' .. old .. ' ' .. sum
end
return before .. ' ' .. now .. ' ' .. old
