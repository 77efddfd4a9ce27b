-- Sets or increments the score of one member, and tells where it stood and stands.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: 1 '' = the board must exist, '0' = it may be created, else the moment in milliseconds at which a created board
--       expires; 2 member; 3 score, or the increment; 4 the time prefix, with T.
-- Returns {applied, old score or '', rows ahead before, score, rows ahead or -1 when the Cap evicted it, old prefix,
--       prefix}, or 'absent', 'infinite', 'retention'; nothing is stored then.
local name, score = ARGV[2], ARGV[3]
local stored, before, old = name, name, false
local prefix, known = ARGV[4] or '', ''

local function ahead(score, stored)
  if RANKING == 'ordinal' then
    return call(RANK, S, stored)
  elseif RANKING == 'competition' then
    return better(S, score)
  elseif RANKING == 'dense' then
    return better(D, score)
  end
  return orEqual(S, score)
end

if T then
  stored = prefix .. name
  known = call('HGET', T, name) or ''
  before = known .. name
end
if not T or known ~= '' then
  old = call('ZSCORE', S, before)
end
if D or P or T then
  check()
end
local created = not old and call('ZCARD', S) == 0
if created and ARGV[1] == '' then
  return 'absent'
end

local changed, moved = true, false
if INCREMENT then
  local sum = (old or 0) + score
  if sum - sum ~= 0 then
    return 'infinite'
  end
  changed = not old or sum ~= old + 0
  score = string.format('%.17g', sum)
elseif old then
  local new, was = score + 0, old + 0
  if new == was then
    changed = false
    moved = T and isAhead(prefix, known)
  elseif POLICY == 'best' then
    changed = (new > was) == HIGHEST
  elseif POLICY == 'worst' then
    changed = (new > was) ~= HIGHEST
  end
end

local aheadBefore = 0
if old then
  aheadBefore = ahead(old, before)
end
if changed or moved then
  if created then
    mayExpire(S, ARGV[1])
    call('DEL', T or S, D or S, P or S) -- what a lost set of scores left behind
  end
  if not changed then
    score = old
  end
  if T then
    call('HSET', T, name, prefix)
  end
  call('ZADD', S, score, stored)
  if old and before ~= stored then
    call('ZREM', S, before) -- afterwards, since a set that is empty in between loses its expiry
  end
  if D then
    entered(score)
    if old then
      left(old)
    end
  end
else
  score, stored, prefix = old, before, known
end

local applied, now = changed and 1 or 0, -1
if CAP > 0 then
  evict()
  if call('ZSCORE', S, stored) then
    now = ahead(score, stored)
  else
    applied = 0
  end
elseif changed or moved then
  now = ahead(score, stored)
else
  now = aheadBefore
end
if not expire(created, ARGV[1]) then
  return 'retention'
end
return {applied, old or '', aheadBefore, score, now, known, prefix}
