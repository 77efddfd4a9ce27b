-- Sets many scores, in the order given.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: 1 as in submit.lua; 2 '1' if a member comes twice, which one ZADD must not be trusted with everywhere; then
--       score, member for each, with T score, member, time prefix.
-- Returns how many were applied, as a number; or 'absent', 'retention'; nothing is stored then.
local created = check() == 0
if created then
  if ARGV[1] == '' then
    return 'absent'
  end
  mayExpire(S, ARGV[1])
  if T or D or P then
    call('DEL', T or S, D or S, P or S)
  end
end

local applied = 0
if not T and not D and ARGV[2] ~= '1' then
  -- GT and LT leave equal scores alone; XX and NX are not asked for, so new members are added.
  if POLICY == 'latest' then
    applied = call('ZADD', S, 'CH', unpack(ARGV, 3))
  else
    applied = call('ZADD', S, (POLICY == 'best') == HIGHEST and 'GT' or 'LT', 'CH', unpack(ARGV, 3))
  end
else
  local step = T and 3 or 2
  for i = 3, #ARGV, step do
    local score, name, prefix = ARGV[i], ARGV[i + 1], T and ARGV[i + 2] or ''
    local before, old = find(name)
    local changed, moved = true, false
    if old then
      local new, was = score + 0, old + 0
      if new == was then
        changed = false
        moved = T and isAhead(prefix, string.sub(before, 1, 8))
      elseif POLICY == 'best' then
        changed = (new > was) == HIGHEST
      elseif POLICY == 'worst' then
        changed = (new > was) ~= HIGHEST
      end
    end
    if changed or moved then
      local stored = prefix .. name
      if T then
        call('HSET', T, name, prefix)
      end
      call('ZADD', S, score, stored)
      if old and before ~= stored then
        call('ZREM', S, before) -- afterwards, since a set that is empty in between loses its expiry
      end
      entered(score)
      if old then
        left(old)
      end
    end
    if changed then
      applied = applied + 1
    end
  end
end
evict()
if not expire(created, ARGV[1]) then
  return 'retention'
end
return applied
