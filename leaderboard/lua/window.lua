-- Reads a window of rows.
-- KEYS: by the constants S, T, D.
-- ARGV: 'range', first, last: 0-based positions
--     | 'member', name, size | 'score', score, size: a window around it that is filled at the ends
--     | 'near', score, stored name, size: the place of that row, size rows before it and size from it on;
--       with an empty stored name the place is before all of that score
--     | 'byscore', best, worst, limit (-1 = all)
--     | 'after', score, stored name, size: what follows that row; under Competition the place is how many are better
--       than that score
-- Returns {rows of the board, 0-based position of the first row, extra, rows with scores, place}, or 'missing'. extra
-- is what the first row's rank (Competition, Dense) or the last one's (Modified) needs.
local mode = ARGV[1]
local n = call('ZCARD', S)
if n == 0 then
  return {0, 0, 0, {}, 0}
end
local first, last, at, rows = 0, 0, 0, nil
if mode == 'range' then
  first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
elseif mode == 'member' or mode == 'score' then
  local size = tonumber(ARGV[3])
  if mode == 'member' then
    local stored = find(ARGV[2])
    if not stored then
      return 'missing'
    end
    at = call(RANK, S, stored)
  else
    at = better(S, ARGV[2])
  end
  first = math.max(0, math.min(at - math.floor(size / 2), n - size))
  last = first + size - 1
elseif mode == 'near' then
  local size = tonumber(ARGV[4])
  at = ARGV[3] == '' and better(S, ARGV[2]) or place(ARGV[2], ARGV[3])
  first = math.max(0, at - size)
  last = at + size - 1
elseif mode == 'after' then
  first = place(ARGV[2], ARGV[3])
  local row = call(RANGE, S, first, first, 'WITHSCORES')
  if row[1] == ARGV[3] and row[2] + 0 == ARGV[2] + 0 then
    first = first + 1
  end
  last = first + tonumber(ARGV[4]) - 1
  if RANKING == 'competition' then
    at = better(S, ARGV[2])
  end
else
  if ARGV[2] ~= '+inf' and ARGV[2] ~= '-inf' then
    first = better(S, ARGV[2])
  end
  rows = call(HIGHEST and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE', S, ARGV[2], ARGV[3], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
end
if not rows then
  if last < first then
    rows = {}
  else
    rows = call(RANGE, S, first, last, 'WITHSCORES')
  end
end
local extra = 0
if #rows > 0 then
  if RANKING == 'competition' then
    extra = better(S, rows[2])
  elseif RANKING == 'dense' then
    extra = better(D, rows[2])
  elseif RANKING == 'modified' then
    extra = orEqual(S, rows[#rows])
  end
end
return {n, first, extra, rows, at}
