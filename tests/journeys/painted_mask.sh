# A mask that was painted over one frame, carried on, given to COCO, and from there to two labelling tools.
pixelkin propagate video.mp4 --labels painted.png --out out/painted --snap --overlay
pixelkin convert out/painted coco.json --to coco --names 1=green 2=red
pixelkin convert coco.json cvat/annotations.xml --video video.mp4 --images cvat/images
pixelkin convert coco.json labelme --to labelme --video video.mp4 --images labelme
pixelkin convert cvat/annotations.xml from_cvat.json --to coco
pixelkin convert labelme from_labelme.json --to coco
