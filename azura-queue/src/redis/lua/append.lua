-- Appends events: for each whether it is stored, what it says, and when it happened.
local _, _, id, attempt, after = unpack(ARGV, 1, 16)
local t = leased(id, attempt)
if not t then return { 'stale' } end
if #ARGV == 5 then return { 'ok', t.seq } end
local there, newest, passing = math.max(t.seq - after, 0), nil, nil
for i = 6, #ARGV, 3 do
  local kept, details, at = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if kept == '' then
    passing = { details, at }
  elseif there > 0 then
    there = there - 1
  else
    record(t, 'PROGRESS', attempt, details, at)
    -- A stored event is newer than a passing one before it.
    newest, passing = details, nil
    redis.call('PUBLISH', 'task-progress:' .. id, details)
  end
end
if newest then
  redis.call('HSET', task(id), 'seq', t.seq)
  if t.newest then redis.call('HDEL', task(id), 'newest') end
  meta(t, 'PROGRESS', newest)
end
if passing then
  redis.call('HSET', task(id), 'newest', passing[1], 'newest_at', passing[2])
  redis.call('HINCRBY', task(id), 'version', 1)
end
tell(id)
return { 'ok', t.seq }
