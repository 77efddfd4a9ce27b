-- What the scripts that write have in common. Go puts the constants of the board and order.lua in front: see scripts.go.

-- better counts what has a strictly better score.
local function better(key, score)
  if HIGHEST then
    return call('ZCOUNT', key, '(' .. score, '+inf')
  end
  return call('ZCOUNT', key, '-inf', '(' .. score)
end

-- orEqual counts what has a better score or the same.
local function orEqual(key, score)
  if HIGHEST then
    return call('ZCOUNT', key, score, '+inf')
  end
  return call('ZCOUNT', key, '-inf', score)
end

-- place is the 0-based position that a row has, or would have.
local function place(score, stored)
  local low = better(S, score)
  return between(S, low, low + call('ZCOUNT', S, score, score), stored)
end

-- member is the name that the caller knows.
local function member(stored)
  if T then
    return string.sub(stored, 9)
  end
  return stored
end

-- find returns the stored name of a member and its score, or nothing.
local function find(name)
  local stored = name
  if T then
    local prefix = call('HGET', T, name)
    if not prefix then
      return nil
    end
    stored = prefix .. name
  end
  local score = call('ZSCORE', S, stored)
  if not score then
    return nil
  end
  return stored, score
end

-- check fails, before anything is written, where a key holds a foreign type.
local function check()
  local n = call('ZCARD', S)
  if T then call('HLEN', T) end
  if D then call('ZCARD', D) end
  if P then call('HLEN', P) end
  if M then call('STRLEN', M) end
  return n
end

-- entered and left keep the set of distinct scores.
local function entered(score)
  if D and call('ZCOUNT', D, score, score) == 0 then
    call('ZADD', D, score, string.format('%.17g', score))
  end
end

local function left(score)
  if D and call('ZCOUNT', S, score, score) == 0 then
    call('ZREMRANGEBYSCORE', D, score, score)
  end
end

-- drop removes a row and what belongs to it.
local function drop(stored, score)
  call('ZREM', S, stored)
  local name = member(stored)
  if T then call('HDEL', T, name) end
  if P then call('HDEL', P, name) end
  left(score)
end

-- bare says whether nothing belongs to any row, so that many can go by one command.
local function bare()
  return not T and not D and not (P and call('EXISTS', P) == 1)
end

-- cut removes all rows from a 0-based position on, and returns how many.
local function cut(from)
  local removed = 0
  if bare() then
    local n = call('ZCARD', S)
    if from >= n then -- as a range, it would be the whole board
      return 0
    elseif HIGHEST then
      return call('ZREMRANGEBYRANK', S, 0, n - from - 1)
    end
    return call('ZREMRANGEBYRANK', S, from, -1)
  end
  while true do
    local rows = call(RANGE, S, from, from + 999, 'WITHSCORES')
    if #rows == 0 then
      return removed
    end
    for i = 1, #rows, 2 do
      drop(rows[i], rows[i + 1])
    end
    removed = removed + #rows / 2
  end
end

-- evict holds the board to its Cap.
local function evict()
  if CAP > 0 and call('ZCARD', S) > CAP then
    cut(CAP)
  end
end

-- mayExpire fails, before anything is written, where a user may not give a key an expiry: scripts do not roll back, and a
-- board that is created must not stay for ever. It does nothing to a key that is not there.
local function mayExpire(key, at)
  if SLIDE > 0 then
    call('PEXPIRE', key, SLIDE)
  elseif at ~= '0' then
    call('PEXPIREAT', key, at)
  end
end

-- expire gives the keys their expiry: an absolute one when the board is created, a sliding one at each write. It
-- returns false where that moment has passed for the server, which then has deleted the keys.
local function expire(created, at)
  if SLIDE > 0 then
    for _, key in ipairs({S, T or S, D or S, P or S, M or S}) do
      call('PEXPIRE', key, SLIDE)
    end
  elseif created and at ~= '0' then
    for _, key in ipairs({S, T or S, D or S}) do
      call('PEXPIREAT', key, at)
    end
    return call('EXISTS', S) == 1
  end
  return true
end
