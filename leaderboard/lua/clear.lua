-- Removes all keys of the board that lie in this slot.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: the layout of the board.
-- Returns the rows that there were, or {layout} where the record tells of another one; nothing is removed then.
local n = check()
local found = M and call('GET', M)
if found and found ~= ARGV[1] then
  return {found}
end
for _, key in ipairs({S, T or S, D or S, P or S, M or S}) do
  call('UNLINK', key)
end
return n
