-- Removes members and what belongs to them.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: members.
-- Returns {rows left, how many were removed}.
if check() == 0 then
  return {0, 0}
end
local removed = 0
for _, name in ipairs(ARGV) do
  local stored, score = find(name)
  if stored then
    drop(stored, score)
    removed = removed + 1
  end
end
expire()
return {call('ZCARD', S), removed}
