# Thirty clips of one's own: weights, and whether they are better on one's own video.
pixelkin train small.yaml --data my_clips --out runs/mine \
  --set steps=8 --set batch=4 --set size=64 --set run.validate_scenes=0
pixelkin compare video.mp4 --labels 0=first_frame.png 20=frame20.png --weights default runs/mine/encoder \
  --distances 5 10 --json compare.json
