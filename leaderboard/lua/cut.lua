-- Removes a part of the board and what belongs to it.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: 'score', lowest, highest | 'place', rows to keep | 'row', score, stored name: that row and all behind it.
-- Returns {rows before, how many were removed}.
local n = check()
if n == 0 then
  return {0, 0}
end
local removed = 0
if ARGV[1] == 'place' then
  if n > tonumber(ARGV[2]) then
    removed = cut(tonumber(ARGV[2]))
  end
elseif ARGV[1] == 'row' then
  removed = cut(place(ARGV[2], ARGV[3]))
elseif bare() then
  removed = call('ZREMRANGEBYSCORE', S, ARGV[2], ARGV[3])
else
  while true do
    local rows = call('ZRANGEBYSCORE', S, ARGV[2], ARGV[3], 'WITHSCORES', 'LIMIT', 0, 1000)
    if #rows == 0 then
      break
    end
    for i = 1, #rows, 2 do
      drop(rows[i], rows[i + 1])
    end
    removed = removed + #rows / 2
  end
end
expire()
return {n, removed}
