-- Removes all keys of the board that lie in this slot.
-- KEYS: by the constants S, T, D, P, M.
-- Returns the rows that there were.
local n = check()
for _, key in ipairs({S, T or S, D or S, P or S, M or S}) do
  call('UNLINK', key)
end
return n
