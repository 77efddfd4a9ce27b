-- Keeps a small payload beside a member.
-- KEYS: by the constants S, T, D, P, M.
-- ARGV: 1 '0', or the moment in milliseconds at which the board expires; 2 member; 3 data, '' = none.
-- Returns {rows of the board, 1 if the member is there}.
local n = check()
if n == 0 or not find(ARGV[2]) then
  return {n, 0}
end
if ARGV[3] == '' then
  call('HDEL', P, ARGV[2])
else
  local created = call('EXISTS', P) == 0
  if created then
    mayExpire(P, ARGV[1])
  end
  call('HSET', P, ARGV[2], ARGV[3])
  if created and SLIDE == 0 and ARGV[1] ~= '0' then
    call('PEXPIREAT', P, ARGV[1])
  end
end
expire()
return {n, 1}
